"""Personal data and secrets in a text: found, masked and counted; code, tables and formulas are left alone."""
