"""Tests of where models go."""
