"""How does mail that comes back get in? The listener for LMTP and SMTP; what becomes of the mail, services decide."""
