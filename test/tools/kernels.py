"""Calls the kernels of a compiled model from Python, through the interface of runtime/abi/vmodel_abi.h.

    model = Model(compile_model("model.vmodel"), {"N": 3, "y": [1.0, 2.0, 3.0]})
    x = model.call("constrain", z=[[0.1, 0.2]])["x"]

Arguments that vary by particle are lists over points; there may be any number of them. Data are scalars and nested lists.
"""

import ctypes
import json
import os
import struct
import tempfile

MAGIC = b"vmodel payload 2"
STEP, PARTICLE = 1, 2


class Slot(ctypes.Union):
    _fields_ = [("real", ctypes.c_double), ("integer", ctypes.c_int64), ("array", ctypes.c_void_p)]


ALLOCATE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
FAIL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_double), ctypes.c_int64)


class Host(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("allocate", ALLOCATE), ("fail", FAIL)]


class Random(ctypes.Structure):
    _fields_ = [("seed", ctypes.c_uint64), ("stream", ctypes.c_uint32), ("step", ctypes.c_uint32), ("first_particle", ctypes.c_uint32)]


class Argument(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("axis", ctypes.c_int32), ("output", ctypes.c_int32), ("integer", ctypes.c_int32),
                ("reserved", ctypes.c_int32)]


class Kernel(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("lanes", ctypes.c_int32), ("argument_count", ctypes.c_int32), ("arguments", ctypes.POINTER(Argument)),
                ("workspace_bytes", ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.POINTER(Slot))),
                ("run", ctypes.CFUNCTYPE(None, ctypes.POINTER(Slot), ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, ctypes.POINTER(Random)))]


class Compiled(ctypes.Structure):
    _fields_ = [("abi_version", ctypes.c_uint32), ("struct_size", ctypes.c_uint32), ("metadata", ctypes.c_char_p), ("slot_count", ctypes.c_int32),
                ("data_count", ctypes.c_int32), ("prepare", ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(Slot), ctypes.POINTER(Host))),
                ("kernel_count", ctypes.c_int32), ("size_count", ctypes.c_int32), ("kernels", ctypes.POINTER(Kernel))]


def flat(value):
    return [leaf for v in value for leaf in flat(v)] if isinstance(value, (list, tuple)) else [value]


class Memory:
    """Zeroed memory at a multiple of 64 bytes."""

    def __init__(self, size):
        self.buffer = ctypes.create_string_buffer(size + 64)
        self.address = (ctypes.addressof(self.buffer) + 63) // 64 * 64

    def numbers(self, count, integer=False):
        return ((ctypes.c_int64 if integer else ctypes.c_double) * count).from_address(self.address)


def payload(executable):
    """The shared object behind the runtime in an executable."""
    with open(executable, "rb") as file:
        file.seek(-40, os.SEEK_END)
        offset, length, _, magic = struct.unpack("<QQQ16s", file.read(40))
        if magic != MAGIC:
            raise AssertionError(f"{executable} holds no model")
        file.seek(offset)
        return file.read(length)


class Model:
    def __init__(self, executable, data=None):
        for library in ("libm.so.6", "libmvec.so.1"):
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(payload(executable))
            file.flush()
            self.library = ctypes.CDLL(file.name)
        self.model = Compiled.in_dll(self.library, "vmodel_model")
        self.metadata = json.loads(self.model.metadata)
        self.kept = []
        self.slots = (Slot * max(self.model.slot_count, 1))()
        for slot, field in zip(self.slots, self.metadata["data"]):
            self.fill(slot, field, data[field["name"]])
        self.sizes = []
        if self.model.size_count:
            self.sizes = [int(v) for v in self.call("sizes", sizes={"sizes": self.model.size_count})["sizes"]]
        for k, size in enumerate(self.sizes):
            self.slots[self.model.data_count + k].integer = size
        self.failures = []
        host = Host(None, ALLOCATE(lambda _, size: self.keep(Memory(size)).address), FAIL(lambda _, message, *rest: self.failures.append(message)))
        if self.model.prepare(self.slots, ctypes.byref(host)) or self.failures:
            raise AssertionError(f"the data are refused: {[self.metadata['requires'][m]['text'] for m in self.failures]}")

    def keep(self, memory):
        self.kept.append(memory)
        return memory

    def fill(self, slot, field, value):
        integer = field["element"] == "int"
        if field["rank"] == 0:
            if integer:
                slot.integer = value
            else:
                slot.real = value
            return
        values = flat(value)
        memory = self.keep(Memory(8 * len(values)))
        memory.numbers(len(values), integer)[:] = values
        slot.array = memory.address

    def size(self, key):
        """A number of the metadata (dimension, reported ...) or of a family, by its place among the sizes."""
        return self.sizes[key]

    def kernel(self, name, lanes=None):
        found = [k for k in self.model.kernels[:self.model.kernel_count] if k.name.decode() == name and lanes in (None, k.lanes)]
        return max(found, key=lambda k: k.lanes)

    def output_size(self, name, argument):
        family = next((f for f in self.metadata["families"] if name.startswith(f["name"] + ".")), None)
        known = {"z": "dimension", "gradient": "dimension", "product": "dimension", "x": "reported", "d_phi": "phi", "phi": "phi", "noise": "noise"}
        if argument not in known:
            return 1
        if known[argument] in ("phi", "noise"):
            return self.sizes[family[known[argument]]]
        return self.sizes[self.metadata[known[argument]]]

    def call(self, name, lanes=None, seed=1, first_particle=0, sizes=None, **inputs):
        """Outputs by name. Particle inputs are lists over points (a number or a flat list each), particle outputs too; a step output is a flat list.

        The random numbers of a draw are made where they are not given."""
        kernel = self.kernel(name, lanes)
        width = kernel.lanes
        arguments = kernel.arguments[:kernel.argument_count]
        varying = [a.name.decode() for a in arguments if a.axis == PARTICLE and not a.output]
        given = [label for label in varying if label in inputs]
        points = len(inputs[given[0]]) if given else inputs.pop("points", width)
        if "noise" in varying and "noise" not in given:
            inputs["noise"] = self.call(name.rsplit(".", 1)[0] + ".noise", width, seed, first_particle, points=points)["noise"]
        results = {a.name.decode(): [] for a in arguments if a.output}
        for start in range(0, points, width):
            memory, outputs = [], []
            for a in arguments:
                label = a.name.decode()
                lane_count = width if a.axis == PARTICLE else 1
                if a.output:
                    count = (sizes or {}).get(label) or self.output_size(name, label)
                    place = Memory(8 * count * lane_count)
                    outputs.append((label, a, count, place))
                elif a.axis == PARTICLE:
                    rows = [flat(v) for v in inputs[label][start:start + width]]
                    rows = [flat([r]) for r in rows] + [rows[-1]] * (width - len(rows))
                    place = Memory(8 * len(rows[0]) * width)
                    place.numbers(len(rows[0]) * width)[:] = [row[i] for i in range(len(rows[0])) for row in rows]
                else:
                    values = flat(inputs[label])
                    place = Memory(8 * len(values))
                    place.numbers(len(values))[:] = values
                memory.append(place)
            pointers = (ctypes.c_void_p * max(len(memory), 1))(*[m.address for m in memory])
            workspace = Memory(max(kernel.workspace_bytes(self.slots) if kernel.workspace_bytes else 0, 64))
            random = Random(seed, 1, 0, first_particle + start)
            kernel.run(self.slots, pointers, workspace.address, ctypes.byref(random))
            for label, a, count, place in outputs:
                if a.axis == PARTICLE:
                    values = place.numbers(count * width)[:]
                    for lane in range(min(width, points - start)):
                        row = [values[i * width + lane] for i in range(count)]
                        results[label].append(row if label in ("z", "x", "gradient", "product", "noise", *(sizes or ())) else row[0])
                else:
                    results[label] = place.numbers(count, bool(a.integer))[:]
        return results
