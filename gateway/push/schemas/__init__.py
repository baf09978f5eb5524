"""What is asked and what is answered: declarations that read requests and describe themselves (PUSH-105)."""
