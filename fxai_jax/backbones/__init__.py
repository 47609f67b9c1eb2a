"""Face-recognition networks as callable pytrees."""
