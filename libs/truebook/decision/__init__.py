"""From a model's output to quotes: action ids or a probability, price rules, sizes. Pure."""
