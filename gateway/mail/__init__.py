"""How does a mailing become messages, and how do they leave? Compiling, personalising, SMTP."""
