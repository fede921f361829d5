#!/usr/bin/env python3
"""What `tidegate schema` prints, held against a validator that is not ours: every example and
scenario of this repository validates, and files that `tidegate check` refuses do not.

  tests/schema_test.py BINARY [unittest arguments]

Wants python3-jsonschema and python3-yaml; says that it is skipped without them.
"""
import copy
import json
import pathlib
import re
import subprocess
import sys
import unittest

try:
    import jsonschema
    import yaml
except ImportError:
    jsonschema = None

BINARY = None
ROOT = pathlib.Path(__file__).resolve().parent.parent


def schema(*words):
    return json.loads(subprocess.run([BINARY, "schema", *words], check=True, timeout=60,
                                     capture_output=True, text=True).stdout)


def documents(path):
    """As YAML 1.2 has it, like Tidegate and editors: `on` and `off` are texts."""
    class Loader(yaml.SafeLoader):
        pass
    Loader.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:bool"]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))
    return [d for d in yaml.load_all(path.read_text(), Loader) if d is not None]


@unittest.skipIf(jsonschema is None, "python3-jsonschema and python3-yaml are not installed")
class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = jsonschema.Draft202012Validator(schema())
        cls.scenario = jsonschema.Draft202012Validator(schema("--scenario"))

    def faults(self, validator, document):
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
                for e in validator.iter_errors(document)]

    def test_the_schemas_are_schemas(self):
        for validator in (self.model, self.scenario):
            jsonschema.Draft202012Validator.check_schema(validator.schema)

    def test_every_example_and_scenario_validates(self):
        examples = sorted((ROOT / "docs/examples").glob("*.yaml"))
        scenarios = sorted((ROOT / "scenarios").glob("*.yaml"))
        self.assertGreater(len(examples), 5)
        self.assertGreater(len(scenarios), 20)
        for validator, paths in ((self.model, examples), (self.scenario, examples + scenarios)):
            for path in paths:
                for document in documents(path):
                    with self.subTest(path.name, kind=document["kind"]):
                        self.assertEqual(self.faults(validator, document), [])

    def test_broken_files_do_not(self):
        model = documents(ROOT / "docs/examples/qwen3-32b.yaml")[0]
        scenario = documents(ROOT / "scenarios/flash-crowd-10x.yaml")[0]
        for label, document, path, value in [
            ("an unknown key", model, "spec.scalling", {}),
            ("an unknown key deep down", model, "spec.variants.0.maxReplica", 3),
            ("a number that is text", model, "spec.variants.0.maxReplicas", "eight"),
            ("a negative number", model, "spec.variants.0.maxReplicas", -8),
            ("an absurd number", model, "spec.variants.0.maxReplicas", 10**20),
            ("a duration without a unit", model, "spec.scaling.window", 60),
            ("a duration of no unit we know", model, "spec.scaling.window", "60parsecs"),
            ("an unknown policy", model, "spec.scaling.policy", "concurency"),
            ("two targets", model, "spec.variants.0.target",
             {"endpoints": ["http://a"], "process": {"command": ["a"]}}),
            ("no variant", model, "spec.variants", []),
            ("a name that is none", model, "metadata.name", "Not A Name"),
            ("another version", model, "apiVersion", "tidegate.dev/v9"),
            ("another kind", model, "kind", "Modell"),
            ("an unknown key of a scenario", scenario, "spec.duratoin", "5s"),
            ("a scenario's duration without a unit", scenario, "spec.duration", 60),
            ("a seed that is text", scenario, "spec.seed", "one"),
        ]:
            with self.subTest(label):
                broken = copy.deepcopy(document)
                *way, last = path.split(".")
                at = broken
                for key in way:
                    at = at[int(key) if key.isdigit() else key]
                at[last] = value
                self.assertEqual(self.faults(self.scenario, document), [], "it was sound before")
                self.assertNotEqual(self.faults(self.scenario, broken), [])
                if document is model:
                    self.assertNotEqual(self.faults(self.model, broken), [])


if __name__ == "__main__":
    BINARY = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
