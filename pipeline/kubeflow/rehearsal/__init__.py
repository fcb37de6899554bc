"""Runs a compiled job on this machine, every task as its backend would."""
