"""From raw examples and a frozen transform to a trained, exported model."""
