"""Small programs that the lessons run and measure: web services, and modules with a client."""
