"""OAuth: apps and grants (`apps`, `grants`), the pages a person clicks through (`authorize`, `pages`), the endpoints
that programs call (`token`, `resources`)."""
