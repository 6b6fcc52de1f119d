"""Reports on numbers: `numpy` from one layer, `tabulate` from the other."""

import numpy as np
import tabulate


def handler(event: dict, context: object) -> dict:
    """Answer an event such as `{"numbers": [1, 2, 3]}`."""
    numbers = np.array(event["numbers"])
    rows = [("mean", numbers.mean()), ("highest", numbers.max())]
    return {
        "report": tabulate.tabulate(rows, tablefmt="plain"),
        "numpy": f"{np.__version__} from {np.__file__}",
        "tabulate": f"{tabulate.__version__} from {tabulate.__file__}",
    }
