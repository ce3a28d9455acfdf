"""The body of a person at a pose, clothed, as rings."""

from __future__ import annotations

import numpy as np

from .gait import Pose
from .people import Person
from .rings import Rings

_UP = np.array([0.0, 0.0, 1.0])
_RIGHT = np.array([1.0, 0.0, 0.0])
_FRONT = np.array([0.0, 1.0, 0.0])

_TORSO_Z = np.array([0.505, 0.54, 0.60, 0.66, 0.72, 0.765, 0.795, 0.815, 0.830, 0.845])
_TORSO_A = np.array([0.093, 0.092, 0.083, 0.089, 0.101, 0.107, 0.103, 0.084, 0.052, 0.034])
_TORSO_B = np.array([0.066, 0.066, 0.060, 0.063, 0.069, 0.067, 0.059, 0.050, 0.040, 0.032])
_HIP_Z = np.array([0.445, 0.465, 0.49, 0.52, 0.55])
_HIP_A = np.array([0.060, 0.086, 0.091, 0.089, 0.085])
_HIP_B = np.array([0.042, 0.062, 0.066, 0.064, 0.060])

_HEAD_T = np.array([0.0, 0.05, 0.15, 0.28, 0.42, 0.56, 0.70, 0.83, 0.93, 0.985, 1.0])
_HEAD_A = np.array([0.04, 0.40, 0.66, 0.82, 0.93, 1.0, 1.0, 0.87, 0.62, 0.28, 0.02])
_HEAD_B = np.array([0.04, 0.42, 0.70, 0.84, 0.92, 0.98, 1.0, 0.90, 0.66, 0.30, 0.02])

_ANGLE = np.arange(72) / 72.0


def hairline(style: str, u: np.ndarray) -> np.ndarray:
    """Where hair starts on the head (0 chin, 1 top) at angle `u` (a quarter is the front)."""
    if style == "bald":
        return np.full(u.shape, 2.0)
    away = np.abs((u - 0.25 + 0.5) % 1.0 - 0.5) * 2.0
    back = 0.12 if style != "short" else 0.24
    return np.interp(away, [0.0, 0.22, 0.34, 0.46, 0.60, 1.0], [0.80, 0.78, 0.66, 0.40, back, back])


def _turned(yaw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    zero = np.zeros_like(yaw)
    side = np.stack([np.cos(yaw), np.sin(yaw), zero], -1)
    return side, np.stack([-np.sin(yaw), np.cos(yaw), zero], -1)


def _limb(joints: np.ndarray, steps: tuple[int, int], side: np.ndarray) -> tuple[np.ndarray, ...]:
    """Centres along two bones and the fronts that stand across them; joints (3, 3)."""
    first = np.linspace(0, 1, steps[0], endpoint=False)[:, None]
    second = np.linspace(0, 1, steps[1])[:, None]
    upper, lower = joints[1] - joints[0], joints[2] - joints[1]
    centres = np.concatenate([joints[0] + first * upper, joints[1] + second * lower])
    blend = np.clip((np.arange(sum(steps)) - steps[0] + 1.5) / 3.0, 0, 1)[:, None]
    along = (1 - blend) * upper / np.linalg.norm(upper) + blend * lower / np.linalg.norm(lower)
    front = np.cross(along, side)
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    return centres, np.cross(front, along), front


def _torso(rings: Rings, person: Person, pose: Pose) -> None:
    h, g = person.height, person.girth
    z0, pelvis, chest = 0.53, *pose.twist
    spine = (pose.neck - pose.pelvis) / (0.305 * h)

    def stack(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = np.clip((z - z0) / 0.25, 0, 1)
        side, front = _turned(pelvis + (chest - pelvis) * part)
        return pose.pelvis + np.outer((z - z0) * h, spine), side, front

    centres, side, front = stack(_HIP_Z)
    rings.tube("hips", centres, side, front, _HIP_A * h * g, _HIP_B * h * g, occlusion=0.9)
    wide = np.where(_TORSO_Z > 0.72, 0.55 + 0.45 * g, g) * np.where(
        _TORSO_Z > 0.68, person.shoulders, 1.0
    )
    loose = 1.14 if person.coat else 1.06
    centres, side, front = stack(_TORSO_Z)
    rings.tube(
        "torso",
        centres,
        side,
        front,
        _TORSO_A * h * wide * loose,
        _TORSO_B * h * g * loose,
        roundness=0.86,
        bias=0.045,
    )
    if person.coat or "skirt" in person.legwear:
        _hem(rings, person, pose)
    centres = pose.neck + np.outer([-0.03 * h, 0.01 * h, 0.055 * h], spine)
    rings.tube("skin", centres, _RIGHT, _FRONT, [0.034 * h] * 3, [0.034 * h] * 3, occlusion=0.75)


def _hem(rings: Rings, person: Person, pose: Pose) -> None:
    """The hanging part of a coat or a skirt, pushed out by the legs."""
    h, g = person.height, person.girth
    low = {"skirt": 0.315, "long skirt": 0.20}.get(person.legwear, 0.29)
    top = 0.54 if person.coat else 0.565
    t = np.linspace(0, 1, 8)
    z = (top + (low - top) * t) * h
    reach = pose.knees[:, 1] if low > 0.25 else 0.5 * (pose.knees[:, 1] + pose.ankles[:, 1])
    middle, half = float(reach.mean()), 0.5 * float(np.ptp(reach))
    loose = 1.12 if person.coat else 1.02
    a = (0.088 + 0.012 * t) * h * g * loose
    b = (0.062 + 0.014 * t) * h * g * loose + half * t**1.3 * 0.8
    centres = np.stack([np.full(8, pose.pelvis[0]), middle * t * 0.9, z], 1)
    rings.tube("over", centres, _RIGHT, _FRONT, a, b, along=1 - t, occlusion=1 - 0.2 * t, bias=0.10)


def _legs(rings: Rings, person: Person, pose: Pose) -> None:
    h, g = person.height, 0.4 + 0.6 * person.girth
    t = np.concatenate([np.linspace(0, 0.5, 5, endpoint=False), np.linspace(0.5, 1, 6)])
    skin = person.legwear in ("shorts", "skirt", "long skirt")
    cloth = np.interp(t, [0, 0.12, 0.3, 0.5, 0.62, 0.85, 1], [52, 53, 46, 38, 38, 33, 33]) / 1000
    bare = np.interp(t, [0, 0.12, 0.3, 0.5, 0.62, 0.85, 1], [51, 51, 42, 32, 33, 23, 21]) / 1000
    radius = np.where(t < 0.45, cloth * 1.08, bare) if skin else cloth
    shade = np.interp(t, [0, 0.3, 1], [0.72, 0.92, 0.95])
    hidden = {"skirt": 0.3, "long skirt": 0.55}.get(person.legwear, 0.3 if person.coat else 0.0)
    shown = t >= hidden
    for i in range(2):
        joints = np.stack([pose.hips[i], pose.knees[i], pose.ankles[i]])
        centres, side, front = _limb(joints, (5, 6), _RIGHT)
        rings.tube(
            "leg",
            centres[shown],
            side[shown],
            front[shown],
            radius[shown] * h * g,
            radius[shown] * h * g * 1.06,
            along=t[shown],
            occlusion=shade[shown],
        )
        ankle, toe = pose.ankles[i], pose.toes[i]
        way = toe - ankle + (0.0, 0.0, 0.030 * h)
        way /= np.linalg.norm(way)
        across = np.cross(way, _UP)
        across /= np.linalg.norm(across)
        up = np.cross(across, way)
        heel = ankle - 0.024 * h * way - 0.020 * h * up
        s = np.array([0.0, 0.012, 0.05, 0.095, 0.130, 0.146, 0.152])
        high = np.array([0.004, 0.022, 0.026, 0.021, 0.016, 0.011, 0.002])
        wide = np.array([0.004, 0.020, 0.023, 0.027, 0.026, 0.017, 0.002])
        drop = np.outer(-(0.022 - high) * h, up)
        rings.tube(
            "shoe",
            heel + np.outer((s - 0.015) * h, way) + drop,
            across,
            up,
            wide * h,
            high * h,
            roundness=0.8,
            occlusion=0.85,
            bias=0.01,
        )


def _arms(rings: Rings, person: Person, pose: Pose) -> None:
    h, g = person.height, 0.35 + 0.65 * person.girth
    t = np.concatenate([np.linspace(0, 0.5, 5, endpoint=False), np.linspace(0.5, 1, 5)])
    sleeve = np.interp(t, [0, 0.1, 0.25, 0.5, 0.75, 1], [28, 31, 30, 26, 25, 22]) / 1000
    bare = np.interp(t, [0, 0.25, 0.5, 0.65, 1], [28, 27, 22, 22, 15]) / 1000
    radius = np.where(t < 0.3, sleeve * 1.04, bare) if person.sleeve == "short" else sleeve
    radius = radius * (1.12 if person.coat else 1.0)
    for i, sign in enumerate((-1.0, 1.0)):
        joints = np.stack([pose.shoulders[i], pose.elbows[i], pose.wrists[i]])
        centres, side, front = _limb(joints, (5, 5), _RIGHT)
        inward = np.array([-sign * 0.020, 0.0, 0.018]) * h
        cap = centres[0] + inward * np.array([[1.0], [0.5]])
        centres = np.concatenate([cap, centres])
        side = np.concatenate([side[:1], side[:1], side])
        front = np.concatenate([front[:1], front[:1], front])
        r = np.concatenate([[0.006, 0.021], radius]) * h * g
        along = np.concatenate([[0.0, 0.0], t])
        rings.tube("arm", centres, side, front, r, r, along=along, bias=0.09)
        way = pose.wrists[i] - pose.elbows[i]
        way /= np.linalg.norm(way)
        across = np.cross(way, _FRONT)
        across /= np.linalg.norm(across)
        palm = pose.wrists[i] + 0.040 * h * way
        size = (0.013 * h, 0.023 * h, 0.050 * h)
        rings.blob("skin", palm, way, across, np.cross(way, across), size, bias=0.09)


def _head(rings: Rings, person: Person, pose: Pose) -> None:
    h = person.height
    tall = 0.132 * h
    a, b = 0.36 * tall, 0.43 * tall
    chin = pose.head - (0.0, 0.0, 0.5 * tall)
    lean = np.array([0.0, 0.05, 1.0])
    forward = np.array([0.10, 0.09, 0.06, 0.03, 0.01, 0, -0.01, -0.03, -0.05, -0.06, -0.06])
    centres = chin + np.outer(_HEAD_T * tall, lean) + np.outer(forward * tall, _FRONT)
    hair = _HEAD_T[:, None] > hairline(person.hair_style, _ANGLE)[None]
    thick = {"short": 0.06, "bald": 0.0}.get(person.hair_style, 0.12)
    swell = 1.0 + thick * hair
    centres[-1] += (0, 0, thick * 0.5 * tall)
    rings.tube("head", centres, _RIGHT, _FRONT, _HEAD_A * a, _HEAD_B * b, swell=swell)
    nose = chin + np.array([0.0, b * 1.02, 0.40 * tall])
    rings.blob("skin", nose, _UP, _RIGHT, _FRONT, (0.014 * h * 0.8, 0.014 * h, 0.016 * h), rings=4)
    crown, back = chin + 0.62 * tall * _UP, np.array([0.0, -b, 0.0])
    if person.hair_style in ("long", "bob"):
        down = -0.62 if person.hair_style == "long" else -0.12
        z = np.linspace(0.80, down, 7) * tall
        t = np.linspace(0, 1, 7)
        centres = chin + np.outer(z, _UP) + np.outer(0.35 + 0.38 * t**0.7, back)
        wide = np.interp(t, [0, 0.2, 0.6, 0.92, 1], [0.75, 1.1, 1.14, 1.05, 0.7]) * a
        deep = np.interp(t, [0, 0.2, 0.6, 0.92, 1], [0.5, 0.72, 0.56, 0.42, 0.2]) * b
        rings.tube("hair", centres, _RIGHT, _FRONT, wide, deep, along=t, bias=-0.01)
    elif person.hair_style == "bun":
        size = (0.5 * a, 0.5 * a, 0.5 * a)
        rings.blob("hair", crown + 0.95 * back + 0.30 * tall * _UP, _UP, _RIGHT, _FRONT, size)
    elif person.hair_style == "ponytail":
        t = np.linspace(0, 1, 6)
        centres = crown + np.outer(0.9 + 0.5 * np.sin(2.4 * t), back) + np.outer(-t * tall, _UP)
        r = np.interp(t, [0, 0.15, 0.6, 1], [0.25, 0.36, 0.34, 0.08]) * a
        rings.tube("hair", centres, _RIGHT, _FRONT, r, r, along=t)
    _hat(rings, person, chin + 0.02 * tall * _FRONT * -1, tall, a, b)


def _hat(rings: Rings, person: Person, chin: np.ndarray, tall: float, a: float, b: float) -> None:
    if person.hat == "none":
        return
    start = {"cap": 0.72, "beanie": 0.64, "brim": 0.70}[person.hat]
    t = np.linspace(0, 1, 7)
    top = 1.12 if person.hat == "beanie" else 1.07
    z = (start + (top - start) * t) * tall
    power = 3.0 if person.hat == "brim" else 2.2
    shape = np.maximum(1 - t**power, 0) ** (1 / power)
    shape[-1] = 0.02
    centres = chin + np.outer(z, _UP)
    rings.tube(
        "hat", centres, _RIGHT, _FRONT, shape * a * 1.16, shape * b * 1.16, along=t, bias=0.05
    )
    brim = chin + (start * tall + 0.01) * _UP
    if person.hat == "cap":
        size = (a * 0.92, b * 0.72, 0.012)
        rings.blob("hat", brim + 1.25 * b * _FRONT, _UP, _RIGHT, _FRONT, size, rings=3, bias=0.04)
    elif person.hat == "brim":
        size = (a * 2.0, b * 1.85, 0.012)
        rings.blob("hat", brim, _UP, _RIGHT, _FRONT, size, rings=3, bias=0.03)


def _bag(rings: Rings, person: Person, pose: Pose) -> None:
    h, hand = person.height, pose.wrists - 0.04 * person.height * _UP
    if person.bag == "backpack":
        centre = pose.pelvis + h * np.array([0.0, -(0.060 * person.girth + 0.052), 0.165])
        size = (0.078 * h, 0.048 * h, 0.118 * h)
        rings.blob("bag", centre, _UP, _RIGHT, _FRONT, size, roundness=0.5, bias=0.05)
    elif person.bag == "shoulder":
        centre = pose.pelvis + h * np.array([0.125 * person.girth, -0.02, 0.0])
        size = (0.030 * h, 0.082 * h, 0.064 * h)
        rings.blob("bag", centre, _UP, _RIGHT, _FRONT, size, roundness=0.45, bias=0.04)
    elif person.bag == "handbag":
        centre = hand[0] - 0.115 * h * _UP
        size = (0.028 * h, 0.086 * h, 0.058 * h)
        rings.blob("bag", centre, _UP, _RIGHT, _FRONT, size, roundness=0.45)
        for end in (-0.05, 0.05):
            corner = centre + h * np.array([0, end, 0.055])
            centres = np.stack([hand[0] - 0.01 * h * _UP, corner])
            rings.tube("bag", centres, _RIGHT, _FRONT, [0.005] * 2, [0.005] * 2)
    elif person.bag == "case":
        top = np.array([hand[1][0], hand[1][1] - 0.16 * h, 0.36 * h])
        centre = np.array([top[0], top[1] - 0.09 * h, 0.21 * h])
        axis = np.array([0.0, 0.34, 1.0]) / np.hypot(0.34, 1.0)
        front = np.cross(axis, _RIGHT)
        size = (0.105 * h, 0.062 * h, 0.165 * h)
        rings.blob("bag", centre, axis, _RIGHT, front, size, roundness=0.45)
        centres = np.stack([hand[1], centre + axis * 0.15 * h])
        rings.tube("shoe", centres, _RIGHT, _FRONT, [0.009] * 2, [0.009] * 2)


def build_body(person: Person, pose: Pose) -> Rings:
    """The clothed body in its local frame, feet on the ground at z = 0."""
    rings = Rings()
    _torso(rings, person, pose)
    _legs(rings, person, pose)
    _arms(rings, person, pose)
    _head(rings, person, pose)
    _bag(rings, person, pose)
    return rings
