"""One module for each mitigation that runs. To add one, copy the nearest neighbour."""
