"""The compatible face, /v2: systems written for another vendor's Push v2 work when their base URL is changed."""
