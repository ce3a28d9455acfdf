"""A walking cycle: joint positions of one person at a phase of the gait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .people import Person

_CYCLE = np.linspace(0.0, 1.0, 13)
_HIP = np.radians([29, 27, 20, 11, 1, -8, -12, -5, 9, 23, 31, 31, 29])
_KNEE = np.radians([5, 15, 18, 11, 6, 9, 24, 48, 61, 50, 24, 6, 5])
_FOOT = np.radians([17, 4, 0, 0, -1, -9, -32, -52, -38, -12, 6, 16, 17])

THIGH, SHANK, UPPER_ARM, FOREARM = 0.245, 0.246, 0.172, 0.150
"""Lengths of the limbs as shares of the height."""


@dataclass(frozen=True)
class Pose:
    """Joints in metres, local frame: x to the person's right, y forward, z up from the ground.

    Pairs hold the left side first, shape (2, 3). `twist` is the yaw of pelvis and chest.
    """

    pelvis: np.ndarray
    neck: np.ndarray
    head: np.ndarray
    hips: np.ndarray
    knees: np.ndarray
    ankles: np.ndarray
    toes: np.ndarray
    shoulders: np.ndarray
    elbows: np.ndarray
    wrists: np.ndarray
    twist: tuple[float, float]


def _leg(person: Person, phase: float) -> tuple[float, float, float]:
    t = phase % 1.0
    hip = float(np.interp(t, _CYCLE, _HIP)) * person.stride
    knee = float(np.interp(t, _CYCLE, _KNEE)) * (0.5 + 0.5 * person.stride)
    foot = float(np.interp(t, _CYCLE, _FOOT)) * person.stride
    return hip, knee, foot


def _swing(angle: float) -> np.ndarray:
    """Unit vector that hangs down at angle 0 and points forward at a quarter turn."""
    return np.array([0.0, np.sin(angle), -np.cos(angle)])


def pose(person: Person, phase: float) -> Pose:
    """The joints at `phase` (cycles; 0 is the left heel's strike)."""
    height = person.height
    turn = 2 * np.pi * phase
    pelvis_yaw = -0.09 * person.stride * np.cos(turn)
    chest_yaw = 0.10 * person.arm_swing * np.cos(turn)
    sway = 0.008 * height * np.sin(turn)
    hips, knees, ankles, toes = (np.zeros((2, 3)) for _ in range(4))
    for side, sign in enumerate((-1.0, 1.0)):
        hip, knee, foot = _leg(person, phase + 0.5 * side)
        hips[side] = (sign * 0.05 * height + sway, -sign * pelvis_yaw * 0.05 * height, 0.0)
        narrow = np.array([-sign * 0.010 * height, 0.0, 0.0])
        knees[side] = hips[side] + THIGH * height * _swing(hip) + narrow
        ankles[side] = knees[side] + SHANK * height * _swing(hip - knee) + narrow * 0.5
        along = np.array([sign * np.sin(person.toe_out), np.cos(foot), np.sin(foot)])
        toes[side] = ankles[side] + 0.105 * height * along
        toes[side][2] -= 0.030 * height * np.cos(foot)
    heels = ankles[:, 2] - 0.042 * height
    ground = min(float(heels.min()), float(toes[:, 2].min()) - 0.012 * height)
    lift = np.array([0.0, 0.0, -ground])
    hips, knees, ankles, toes = hips + lift, knees + lift, ankles + lift, toes + lift
    pelvis = np.array([sway, 0.0, 0.0]) + lift
    spine = np.array([0.0, np.sin(person.lean), np.cos(person.lean)])
    neck = pelvis + 0.305 * height * spine
    head = neck + np.array([-0.3 * sway, 0.012 * height, 0.095 * height])
    chest = pelvis + 0.278 * height * spine
    shoulders, elbows, wrists = (np.zeros((2, 3)) for _ in range(3))
    for side, sign in enumerate((-1.0, 1.0)):
        half = sign * 0.104 * height * person.shoulders * (0.75 + 0.25 * person.girth)
        shoulders[side] = chest + half * np.array([np.cos(chest_yaw), np.sin(chest_yaw), 0.0])
        leg = float(np.interp((phase + 0.5 * side) % 1.0, _CYCLE, _HIP))
        arm = -(leg - 0.12) * person.arm_swing - 0.02
        out = np.array([sign * (0.10 + 0.16 * max(0.0, person.girth - 0.95)), 0.0, 0.0])
        upper = _swing(arm) + out
        bend = 0.22 + 0.55 * person.arm_swing * max(0.0, arm + 0.1)
        lower = _swing(arm + bend) + out * 0.2
        if person.bag == "case" and side == 1:
            upper, lower = _swing(-0.28) + out, _swing(-0.20) + out * 0.5
        if person.bag == "handbag" and side == 0:
            upper, lower = _swing(0.15 * arm) + out, _swing(0.15 * arm + 0.12) + out
        elbows[side] = shoulders[side] + UPPER_ARM * height * upper / np.linalg.norm(upper)
        wrists[side] = elbows[side] + FOREARM * height * lower / np.linalg.norm(lower)
    return Pose(
        pelvis=pelvis,
        neck=neck,
        head=head,
        hips=hips,
        knees=knees,
        ankles=ankles,
        toes=toes,
        shoulders=shoulders,
        elbows=elbows,
        wrists=wrists,
        twist=(pelvis_yaw, chest_yaw),
    )


def walking_speed(person: Person) -> float:
    """Metres a second at which the standing foot does not slide."""
    early, late = pose(person, 0.06), pose(person, 0.46)
    travelled = float(early.ankles[0, 1] - late.ankles[0, 1])
    return travelled / 0.40 * person.cadence
