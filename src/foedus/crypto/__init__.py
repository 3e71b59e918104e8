"""The one door to signing, key encapsulation, authenticated encryption and key derivation. No I/O."""
