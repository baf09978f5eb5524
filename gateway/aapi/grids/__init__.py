"""What a GridRequest may ask for (aapi.md section 7): how a grid is asked, known and answered."""
