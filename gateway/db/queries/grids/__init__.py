"""What do the grids of the document API show? One table describes a grid, one engine asks it (aapi.md section 7)."""
