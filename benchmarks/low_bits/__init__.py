"""What layouts, calibrations and quantization-aware training leave of a trained network."""
