"""Loads this directory under a name that no application has, and keeps it off the application's path."""

import importlib
import importlib.machinery
import importlib.util
import sys

NAME = "pgrecast_runner"

if __name__ == "__main__":
    _here = sys.path.pop(0)
    _spec = importlib.machinery.ModuleSpec(NAME, None, is_package=True)
    _spec.submodule_search_locations = [_here]
    sys.modules[NAME] = importlib.util.module_from_spec(_spec)
    importlib.import_module(NAME + ".main").main()
