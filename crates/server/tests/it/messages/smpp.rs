//! A message centre: see the module of that name.
