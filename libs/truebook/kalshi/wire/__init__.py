"""The exchange's own formats: bodies, frames and times, and their translation to Truebook's units."""
