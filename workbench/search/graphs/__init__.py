"""Graphs: HNSW over many vectors, and the planner that asks a graph only where that pays."""
