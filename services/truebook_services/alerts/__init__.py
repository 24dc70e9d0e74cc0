"""Notifies operators of conditions that they should know; it changes nothing and sends no order."""
