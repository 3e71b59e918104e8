"""Benchmarks of foedus: ``python -m bench``. The figures and their targets are DESIGN.md section 8."""
