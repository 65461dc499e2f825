"""YAML to a frozen Recipe: the input and a list of steps, every name and value checked before anything runs.

input: [rows.jsonl, more/]          # or a generator as the first step
steps:
  - rules
  - rouge: {threshold: 0.6}
  - mix: {sources: {mine: {from: rouge}, seeds: seeds.jsonl}, method: temperature}
  - train: {steps: 60}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datagen import assets, step
from datagen import options as option_fields
from datagen.errors import DataError, UsageError, did_you_mean
from datagen.reading import NAMES, Reading, reading
from datagen.step import Kind

AS_WRITTEN = {"mapping": "map"}  # options of reading that a recipe writes in another way
KEYS = ("input", *(AS_WRITTEN.get(name, name) for name in NAMES), "against", "steps")


@dataclass(frozen=True)
class Step:
    """One step: its unique name in the recipe, the name of its kind, and the kind itself with its options."""

    name: str
    kind: str
    options: Any  # a `step.Kind`

    def written(self) -> dict[str, Any]:
        """The step as a recipe holds it, every option spelled out."""
        return {self.kind: option_fields.values(self.options)}


@dataclass(frozen=True)
class Recipe:
    """What to read and what to do with it, resolved and checked."""

    steps: tuple[Step, ...]
    input: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)
    against: str | None = None  # folder of an earlier run of the same stages: only new rows are judged, beside its own

    def __post_init__(self) -> None:
        kinds: list[Kind] = [s.options for s in self.steps]
        names = [s.kind for s in self.steps]
        first = bool(kinds) and kinds[0].place == "first"
        if any(k.place == "first" for k in kinds[1:]) or (self.input and first):
            raise UsageError("recipe: a generator stands only first, and in place of an input; so do passages and from_pairs")
        if not self.input and not (first or (kinds and kinds[0].starts)):
            raise UsageError("recipe: nothing to read; give input: [PATH, …], or a generator or a mix as the first step")
        if twice := next((s.kind for s in self.steps if s.options.once and names.count(s.kind) > 1), None):
            raise UsageError(f"recipe: the step '{twice}' stands more than once")
        if early := next((s.kind for s in self.steps[:-1] if s.options.place == "last"), None):
            raise UsageError(f"recipe: '{early}' must be the last step")
        self._check_trained()
        self._check_sources()

    @property
    def trained(self) -> dict[str, int]:
        """The position (1 = the first step) of each step that makes a model for a later one, by its name."""
        return {s.name: at for at, s in enumerate(self.steps, start=1) if s.options.makes_model}

    def _check_trained(self) -> None:
        """A stage scores with the model of a step before it, and such a step is there for no other end."""
        models = [s.options.takes_model for s in self.steps]
        for at, each in enumerate(self.steps):
            if not each.options.makes_model:
                continue
            users = [i for i, model in enumerate(models) if model == each.name]
            if early := [self.steps[i].name for i in users if i < at]:
                raise UsageError(f"step '{early[0]}': its model is made by a step '{each.name}', which must stand before it")
            if not users:
                example = f"{each.options.makes_model}: {{model: {each.name}}}"
                raise UsageError(f"recipe: no stage takes the model of '{each.name}'; give {example}")
        for user, model in zip(self.steps, models, strict=True):
            if model not in self.trained and _makes_model(model):
                raise UsageError(f"step '{user.name}': its model is made by a step '{model}', which must stand before it")

    def _check_sources(self) -> None:
        """A step that names whose rows it takes must take those before it, or they would vanish."""
        for i, each in enumerate(self.steps):
            taken, name = each.options.takes_from, each.name
            if taken is None:
                continue
            before = self.steps[i - 1].name if i else "input" if self.input else None
            if wrong := [t for t in taken if t != before]:
                raise UsageError(
                    f"step '{name}': 'from: {wrong[0]}' is not the step before it"
                    + (f", which is '{before}'" if before else "")
                )
            if len(taken) > 1:
                raise UsageError(f"step '{name}': two sources take the rows of '{taken[0]}'; one may")
            if before and not taken:
                raise UsageError(
                    f"step '{name}' must take the rows of the step before it: name a source with {{from: {before}}}"
                )

    def written(self) -> dict[str, Any]:
        """The recipe as YAML holds it, every option spelled out."""
        head: dict[str, Any] = {"input": list(self.input)} if self.input else {}
        given = {**option_fields.values(self.reading), "against": self.against}
        head |= {AS_WRITTEN.get(key, key): value for key, value in given.items() if value not in (None, "", {})}
        return {**head, "steps": [s.written() for s in self.steps]}


def make_step(kind: str, options: Mapping[str, Any], taken: Sequence[str] = ()) -> Step:
    """Return a step with its options read and checked; its name is its kind, or kind_2 when that is taken.

    Raises:
        UsageError: an unknown step, option or value.
    """
    made = step.make(step.find(kind, Kind), options)
    name, n = kind, 1
    while name in taken:
        n += 1
        name = f"{kind}_{n}"
    return Step(name, kind, made)


def _makes_model(name: Any) -> bool:
    """Whether a model's name is that of a kind of step which makes one."""
    return name in step.names() and bool(step.find(name, Kind).makes_model)


def make(entries: Sequence[Any], *, input: Sequence[str] = (), against: str | None = None, **how: Any) -> Recipe:  # noqa: A002
    """Return a recipe of steps given as names or one-key maps.

    Args:
        entries: the steps.
        input: what is read.
        against: folder of an earlier run.
        how: it is read; the options of `Reading`, None = their default.

    Raises:
        UsageError: an unknown step, option or value.
    """
    steps: list[Step] = []
    for entry in entries:
        if isinstance(entry, str):
            entry = {entry: {}}
        if not isinstance(entry, dict) or len(entry) != 1:
            raise UsageError(f"a step is a name or a map of one name, such as '- rouge: {{threshold: 0.6}}', not {entry!r}")
        [(kind, options)] = entry.items()
        if options is not None and not isinstance(options, dict):
            raise UsageError(f"step '{kind}': its options are a map, such as {{threshold: 0.6}}, not {options!r}")
        steps.append(make_step(str(kind), options or {}, [s.name for s in steps]))
    return Recipe(tuple(steps), tuple(input), reading(how), against)


def load(path: Path, changes: Sequence[str] = (), inputs: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, with `--set STAGE.option=value` changes applied; `inputs` take the place of its own.

    Raises:
        DataError: the file is not there.
        UsageError: it is not YAML, or a key, step, option or value is wrong; the message begins with the file's name.
    """
    import yaml

    path = assets.recipe(str(path)) or path
    if not path.is_file():
        raise DataError(f"no such recipe: {path}; those that come with datagen are quickstart and self_guided")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _loader())  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as e:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(e).split())}") from None
    try:
        return parse({**content, "input": list(inputs)} if inputs and isinstance(content, dict) else content, changes)
    except UsageError as e:
        raise UsageError(f"{path}: {e}") from None


def _loader() -> Any:
    """Return YAML's SafeLoader, but a key that stands twice in one map is an error: the first would be lost in silence."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            twice = [k for k in keys if keys.count(k) > 1]
            if twice:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{twice[0]}' stands twice", node.start_mark)
            return super().construct_mapping(node, deep)

    return Loader


def parse(content: Any, changes: Sequence[str] = ()) -> Recipe:
    """Return the recipe that a parsed YAML document holds; raises UsageError."""
    if not isinstance(content, dict) or not isinstance(content.get("steps"), list):
        raise UsageError("a recipe is a map with the keys input and steps, and steps is a list")
    for key in content:
        if key not in KEYS:
            raise UsageError(f"unknown key '{key}'{did_you_mean(str(key), KEYS)}")
    paths = content.get("input") or ()
    if not isinstance(paths, (str, list, tuple)) or not all(isinstance(path, str) for path in paths):
        raise UsageError(f"input must be a path or a list of paths, not {paths!r}")
    for key in AS_WRITTEN.values():  # whose options have another name than the key
        if content.get(key) is not None and not isinstance(content[key], dict):
            raise UsageError(f"{key} must be a map of names, such as {{instruction: question}}, not {content[key]!r}")
    for key, what in (("split", "a name"), ("encoding", "a name"), ("against", "the folder of an earlier run")):
        if content.get(key) is not None and not isinstance(content[key], str):
            raise UsageError(f"{key} must be {what}, not {content[key]!r}")
    how = {name: content.get(AS_WRITTEN.get(name, name)) for name in NAMES}
    return make(
        changed(content["steps"], changes), input=[paths] if isinstance(paths, str) else paths,
        against=content.get("against") or None, **how,
    )  # fmt: skip


def _names(entries: Sequence[Any]) -> list[str]:
    """The names that entries will have as steps: their kind, or kind_2 for the second of a kind; "" for what is no step."""
    names: list[str] = []
    for entry in entries:
        kind = str(next(iter(entry))) if isinstance(entry, dict) and len(entry) == 1 else ""
        name, n = kind, 1
        while kind and name in names:
            n += 1
            name = f"{kind}_{n}"
        names.append(name)
    return names


def changed(entries: Sequence[Any], changes: Sequence[str]) -> list[Any]:
    """Return steps with `STEP.option=value` changes applied; raises UsageError for a step that is not among them."""
    steps = [{e: {}} if isinstance(e, str) else e for e in entries]
    for change in changes:
        target, equals, value = change.partition("=")
        kind, dot, option = target.rpartition(".")
        if not equals or not dot:
            raise UsageError(f"--set {change}: expected STEP.option=value, such as rouge.threshold=0.6")
        names = _names(steps)
        # A kind means every step of it, a numbered name the one.
        found = [i for i, name in enumerate(names) if name and kind in (name, *steps[i])]
        if not found:
            raise UsageError(f"--set {change}: there is no step '{kind}'{did_you_mean(kind, filter(None, names))}")
        for i in found:
            [(entry, before)] = steps[i].items()
            if before is None or isinstance(before, dict):  # `make` names an entry that is no map of options
                steps[i] = {entry: {**(before or {}), option: value}}
    return steps
