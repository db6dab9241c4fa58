"""Render's public REST API, version 1 (https://api-docs.render.com).

What its OpenAPI document does not say is taken from the traffic that is recorded in the official Terraform provider.
"""
