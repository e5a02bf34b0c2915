"""How often the suggested risks and kinds are what curators chose."""
