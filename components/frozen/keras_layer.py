"""keras_normalization: the constants as a built Keras 3 layer, never adapted."""
