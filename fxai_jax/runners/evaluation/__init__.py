"""Evaluations of explanations and of networks over labelled pairs.

`explainers` names what can be evaluated, `scores` embeds a list of pairs, one module
per protocol computes curves and rows, and `tables` writes them.
"""
