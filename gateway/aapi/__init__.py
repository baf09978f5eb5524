"""The Informz-compatible document API (aapi.md): one operation, a document as text in it, a document as answer."""
