"""What is measured: deploytail as it ships, and what one would use instead of it."""
