"""From a FeaturePlan to the graph: the preprocessing_fn and the constants it reads."""
