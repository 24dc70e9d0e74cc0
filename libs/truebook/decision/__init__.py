"""Turns a model's output into quotes: action ids or a probability, price rules, sizes. Pure."""
