"""How far one set of constants is from another."""
