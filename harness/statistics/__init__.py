"""Pure functions on arrays: reducers make one number of an item, intervals one of a task."""
