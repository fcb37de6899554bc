"""A folder of results that are kept between runs: checked before use, replaced when damaged, bounded in size."""
