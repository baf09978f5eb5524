"""What a recipient's mail client or browser touches: opens, clicks, unsubscribing, the message in a browser."""
