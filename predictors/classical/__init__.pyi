from .boosting import LightGBM as LightGBM
from .boosting import NGBoost as NGBoost
from .linear import BayesianRidge as BayesianRidge
from .pipelines import PipelinePredictor as PipelinePredictor
from .pipelines import make_features as make_features
from .trees import ExtraTrees as ExtraTrees
from .trees import RandomForest as RandomForest
from .trees import XGBoost as XGBoost
