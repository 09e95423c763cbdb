"""`python validate_templates.py FILE ...`: checks templates with AWS's own validator, which the CDK uses too.

This module runs in the environment of the checks and cannot import infra. The validator ignores cfn-lint's
Metadata, so no error can be suppressed.
"""

import sys

from cloudformation_validate import CompositeEngine, ReportStatus, Severity, ValidateConfig


def main(paths: list[str]) -> int:
    """Print a line for each error; return 1 if there is one, or if a file cannot be validated completely."""
    engine, wrong = CompositeEngine(), 0
    for path in paths:
        report = engine.validate_template(path, ValidateConfig(severity_level=Severity.ERROR))
        for each in report.diagnostics:
            where = f"{each.entity.logical_id if each.entity else ''} {each.property_path or ''}".strip()
            print(f"{path}:{each.start_line or 0}: {each.rule_id} {where}: {each.message}", file=sys.stderr)
        if report.status is not ReportStatus.OK:
            print(f"{path}: {report.status.name}", file=sys.stderr)
        wrong += len(report.diagnostics) + (report.status is not ReportStatus.OK)
    return 1 if wrong or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
