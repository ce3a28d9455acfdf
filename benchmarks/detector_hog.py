"""OpenCV's HOG detector for `benchmarks/detector.py`, in a process of OpenCV 4: 5 has none.

Reads frames from standard input, a line with height and width and the pixels, BGR; answers each
with one line of JSON: rows as x1, y1, x2, y2, score, and seconds of CPU time.
"""

import json
import sys
from time import process_time

import cv2
import numpy as np

cv2.setNumThreads(1)
descriptor = cv2.HOGDescriptor()
descriptor.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
while line := sys.stdin.buffer.readline():
    height, width = map(int, line.split())
    pixels = sys.stdin.buffer.read(height * width * 3)
    image = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    started = process_time()
    boxes, scores = descriptor.detectMultiScale(image)
    seconds = process_time() - started
    rows = [
        [int(x), int(y), int(x + w), int(y + h), float(score)]
        for (x, y, w, h), score in zip(boxes, np.ravel(scores), strict=True)
    ]
    print(json.dumps({"rows": rows, "seconds": seconds}), flush=True)
