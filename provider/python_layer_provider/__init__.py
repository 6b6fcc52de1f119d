"""What happens to a layer, in the order it happens: lock file, plan, tree, archive, layer version."""
