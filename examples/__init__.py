"""Sample workspaces, shipped with the package: `concertmaster init` copies them."""
