"""Proof of one crossing: what an author's node and a receiving node both signed, checked without either of them."""
