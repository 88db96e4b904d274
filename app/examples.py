"""Examples that stand below the help of each command."""

SCAN = """\b
Examples:
  run_scanner.py scan synthetic:room --out out/room --preset preview
  run_scanner.py scan recording.r3d --out out/door --max-depth-m 3
  run_scanner.py scan kitchen/ --out out/kitchen --hold-out 10 --json > kitchen.json
  run_scanner.py scan phone-video/ --out out/room --depth plane-sweep
  run_scanner.py scan kitchen/ --out out/fine --method finerecon-offline --resolution-m 0.01
"""

INFO = """\b
Example:
  run_scanner.py info recording/ --sheet sheet.png
"""

SYNTH = """\b
Examples:
  run_scanner.py synth 'synthetic:room?frames=60' --out room-tum --format tum
  run_scanner.py synth recording.r3d --out as-scannet --format scannet
"""

EXPORT = """\b
Examples:
  run_scanner.py export out/room/mesh.glb --to room.usdz --target ar
  run_scanner.py export out/room/mesh.glb --to room.stl --target print
"""

EVALUATE = """\b
Examples:
  run_scanner.py evaluate out/room/mesh.glb --reference synthetic:room
  run_scanner.py evaluate --suite synthetic --worlds 4 --sheet worlds.png
  run_scanner.py evaluate --suite real --json > real.json
"""

EVALUATE_DEPTH = """\b
Example:
  run_scanner.py evaluate-depth kitchen/ --sheet sheet.png
"""

BENCH = """\b
Example:
  run_scanner.py bench --suite fusion --source kitchen/ --frames 100 --json
"""

WEIGHTS = """\b
Examples:
  run_scanner.py weights list
  run_scanner.py weights fetch finerecon
  run_scanner.py weights import hero_model.ckpt
"""

WEIGHTS_FETCH = """\b
Examples:
  run_scanner.py weights fetch finerecon
  run_scanner.py weights fetch gtr --accept-licence --json
"""

WEIGHTS_IMPORT = """\b
Examples:
  run_scanner.py weights import hero_model.ckpt
  run_scanner.py weights import trained.safetensors --name my-finerecon
"""
