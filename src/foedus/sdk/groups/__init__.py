"""The methods of the clients, by what they are about. Each is one operation of the API (/schema), or a few."""
