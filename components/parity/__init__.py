"""The same numbers by another way: a NumPy reference of the transform, and differences in ulp. No TensorFlow."""
