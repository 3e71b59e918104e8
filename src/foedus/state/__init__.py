"""What follows from the log? Pure: converging values, knowledge. No verdict depends on anything here."""
