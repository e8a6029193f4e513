"""What the HTTP interface is, for machines (`/openapi.json`) and for people (`/docs`)."""
