"""Files in, checked arrays out: images, landmarks and the sample faces."""
