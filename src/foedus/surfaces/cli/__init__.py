"""The command line. `main:main` is the entry; each noun has a file; node and crypto are imported when they are used."""
